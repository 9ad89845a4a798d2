const fs = require('fs');
for (const path of ['x', '/mnt/data/x']) console.log(fs.readFileSync(path, 'utf8'));
