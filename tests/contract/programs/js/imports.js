const { value } = require('./helper.js');
const { more } = require('./package/part');
console.log('imported', value + more + require('./data.json').none);
