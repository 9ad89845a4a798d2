console.log('before' as string);
process.exit(3);
