fn main() {
    println!("printed before the crash");
    let list: Vec<i32> = Vec::new();
    println!("{}", list[5]);
}
