console.log('世界');
