# SPDX-License-Identifier: Apache-2.0
"""R20: two copies of one interpreter draw different numbers, from whatever generator.

Not among them is the seed of Python's string hashes: every string that the zygote made carries its hash, so the seed cannot
change without making all of them anew. It tells one program of a server the order of sets in another's, and no more."""

import pytest
from support import host


@pytest.fixture(autouse=True)
def copies(attack):
    """The zygote takes seconds to be ready."""
    status = "print(open('/proc/self/status').read())"
    assert host.until(lambda: "Seccomp_filters:\t2" in attack.exec(status, "py").stdout, 60, 0.2)


SECRETS_PY = """
import multiprocessing.process, os, random, secrets, ssl, tempfile, uuid
import numpy as np, sympy.core.random as sym
result.update(
    random=random.random(), bits=random.getrandbits(64), numpy=float(np.random.rand()), generator=float(np.random.default_rng().random()),
    os=os.urandom(8).hex(), shuffled=repr(random.sample(range(99), 9)), legacy=repr(np.random.permutation(99)[:9]),
    ssl=ssl.RAND_bytes(8).hex(), uuid4=str(uuid.uuid4()), token=secrets.token_hex(8), sympy=sym.rng.random(),
    authkey=bytes(multiprocessing.process.current_process().authkey).hex(), temporary=next(tempfile._get_candidate_names()),
)
"""


PLAIN_PY = """
import os, random, tempfile, uuid
result.update(
    random=random.random(), bits=random.getrandbits(64), os=os.urandom(8).hex(), shuffled=repr(random.sample(range(99), 9)),
    uuid4=str(uuid.uuid4()), temporary=next(tempfile._get_candidate_names()), system=random.SystemRandom().random(),
)
"""


@pytest.mark.parametrize("source", [SECRETS_PY, PLAIN_PY], ids=["with libraries", "plain"])
def test_r20_fresh_randomness(attack, source):
    """No two programs draw the same numbers, from any generator that was seeded before they were copied."""
    seen = [attack.evidence("result = {}\n" + source + "\ntell(result)") for _ in range(4)]
    same = {name for name in seen[0] if len({str(each[name]) for each in seen}) < len(seen)}
    assert not same, (same, seen)
