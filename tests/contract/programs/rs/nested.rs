fn main() {
    std::fs::create_dir_all("out/deep").unwrap();
    std::fs::write("out/deep/bytes.bin", (0..=255).collect::<Vec<u8>>()).unwrap();
}
