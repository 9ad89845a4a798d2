mod inner;

pub fn value() -> i32 {
    inner::VALUE
}
