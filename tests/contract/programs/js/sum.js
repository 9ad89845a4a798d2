console.log(Array.from({ length: 10 }, (_, i) => i + 1).reduce((a, b) => a + b));
