import { mkdirSync, writeFileSync } from 'node:fs';
mkdirSync('out/deep', { recursive: true });
writeFileSync('out/deep/bytes.bin', Buffer.from(Array.from({ length: 256 }, (_, i: number) => i)));
