import fs, { existsSync } from 'node:fs';
import named, { value } from './helper.mjs';
import { cjs } from './plain.cjs';

const later = await Promise.resolve('awaited');
const { value: again } = await import('./helper.mjs');
export default fs;
console.log(named, value, cjs, later, again, existsSync('helper.mjs'), import.meta.url);
