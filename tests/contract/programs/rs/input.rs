fn main() {
    for path in ["x", "/mnt/data/x"] {
        println!("{}", std::fs::read_to_string(path).unwrap());
    }
}
