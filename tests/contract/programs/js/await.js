const fs = require('fs');
const text = await fs.promises.readFile('helper.mjs', 'utf8');
console.log(text.length > 0, __dirname, require.main === module, (await import('./helper.mjs')).value);
