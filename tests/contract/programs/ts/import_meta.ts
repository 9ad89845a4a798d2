import { fileURLToPath } from 'url';
const here: string = fileURLToPath(import.meta.url);
console.log(here, import.meta.url, typeof require, 3n);
