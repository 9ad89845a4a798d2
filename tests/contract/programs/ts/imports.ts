import { value } from './helper';
import { more } from './package/part.js';
console.log('imported', value + more);
