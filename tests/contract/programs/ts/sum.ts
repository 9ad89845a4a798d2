const numbers: number[] = Array.from({ length: 10 }, (_, i) => i + 1);
console.log(numbers.reduce((a: number, b: number): number => a + b));
