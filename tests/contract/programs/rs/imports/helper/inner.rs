pub const VALUE: i32 = 40;
