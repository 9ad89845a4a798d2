import * as fs from 'fs';
for (const path of ['x', '/mnt/data/x'] as string[]) console.log(fs.readFileSync(path, 'utf8'));
