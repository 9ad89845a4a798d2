exports.more = 2;
