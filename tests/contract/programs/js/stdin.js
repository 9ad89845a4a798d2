console.log(require('fs').readFileSync(0).length === 0 ? 'eof' : 'data');
