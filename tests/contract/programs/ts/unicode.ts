const text: string = '世界';
console.log(text);
