interface Problem {
  text: string;
}

function fail(problem: Problem): never {
  throw new Error(problem.text);
}
fail({ text: 'on purpose' });
