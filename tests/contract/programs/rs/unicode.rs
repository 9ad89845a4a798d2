fn main() {
    println!("世界");
}
