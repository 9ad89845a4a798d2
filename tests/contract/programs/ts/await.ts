import { sep } from 'path';
const value: number = await Promise.resolve(7);
console.log(value, sep);
