# SPDX-License-Identifier: Apache-2.0
import random, secrets, tempfile, uuid

print("random", random.random())
print("bits", random.getrandbits(64))
print("urandom", os.urandom(8).hex())
print("uuid", uuid.uuid4())
print("token", secrets.token_hex(8))
print("temporary", next(tempfile._get_candidate_names()))
if "numpy" in sys.modules:
    import numpy

    print("numpy", numpy.random.rand())
    print("generator", numpy.random.default_rng().random())
