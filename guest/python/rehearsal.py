# SPDX-License-Identifier: Apache-2.0
# What a trial copy of the zygote runs, with nobody to see it: it does what most programs do (zygote.py).
import json
import math

numbers = [math.sqrt(number) for number in range(9)]


def text(value):
    return "%s %d" % (value, len(json.dumps({"numbers": numbers})))


print(text(numbers[0]), sorted(numbers)[-1])
