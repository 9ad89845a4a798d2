const large: bigint = 2n ** 64n;
console.log(large, typeof 1n, 0xffn ** 2n);
