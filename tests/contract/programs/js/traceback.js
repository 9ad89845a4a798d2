function fail() {
  throw new RangeError('on purpose');
}
fail();
