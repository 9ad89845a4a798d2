const fs = require('fs');
fs.mkdirSync('out/deep', { recursive: true });
fs.writeFileSync('out/deep/bytes.bin', Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
