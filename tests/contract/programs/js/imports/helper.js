exports.value = 40;
