// SPDX-License-Identifier: Apache-2.0
// Runs programs through the real tools of @librechat/agents and prints what happened as one JSON document.
//
// The base URL comes from LIBRECHAT_CODE_BASEURL, which the tools read while they are imported: one process per URL form.
// LIBRECHAT_CODE_API_KEY is handed over as a host would and sent as X-API-Key; without it the key stands in the URL.

import process from 'node:process';
import { call, failure, nextId } from './calls.mjs';

const { AIMessage } = await import('@langchain/core/messages');
const {
  createCodeExecutionTool,
  createBashExecutionTool,
  createProgrammaticToolCallingTool,
  createBashProgrammaticToolCallingTool,
  fetchSessionFiles,
  getCodeBaseURL,
  ToolNode,
} = await import('@librechat/agents');

const key = process.env.LIBRECHAT_CODE_API_KEY;
const params = { authHeaders: key ? async () => ({ 'X-API-Key': key }) : undefined };
const code = createCodeExecutionTool(params);
const bash = createBashExecutionTool({ ...params, user_id: 'agents-user' });

function injected(artifact) {
  return {
    session_id: artifact.session_id,
    _injected_files: (artifact.files ?? []).map((file) => ({
      storage_session_id: file.storage_session_id ?? artifact.session_id,
      id: file.id,
      resource_id: file.id,
      name: file.name,
      kind: 'user',
    })),
  };
}

const report = {};
const slow = call(bash, { command: 'sleep 5.5; echo slow' }); // beside all others
report.python = await call(code, { lang: 'py', code: 'import sys\nprint("from python", sys.argv[1:])', args: ['a b', 'c'] });
report.empty = await call(code, { lang: 'js', code: '1 + 1' });
report.stderr = await call(code, { lang: 'py', code: 'raise ValueError("shown")' });
report.made = await call(code, { lang: 'py', code: 'import os\nos.makedirs("charts")\nopen("charts/a.png", "wb").write(b"\\x89PNG")\nopen("data.csv", "w").write("a\\n1\\n")\nprint("made")' });
report.seen = await call(bash, { command: 'cat data.csv; ls charts; echo 2 >> data.csv' }, injected(report.made.artifact));
report.edited = await call(bash, { command: 'cat data.csv' }, injected(report.seen.artifact));
report.languages = {};
for (const [lang, program] of Object.entries({
  js: 'console.log(6 * 7)',
  ts: 'const x: number = 6 * 7; console.log(x)',
  c: '#include <stdio.h>\nint main(void) { printf("%d\\n", 6 * 7); }',
  bash: 'echo $((6 * 7))',
})) {
  report.languages[lang] = (await call(code, { lang, code: program })).content;
}

// Programs that call tools: the host hands over the definitions and what they stand for.
const toolDefs = [
  {
    name: 'get_weather',
    description: 'Current weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
  { name: 'fail-always', description: 'Fails', parameters: { type: 'object', properties: {} } },
];
const toolMap = new Map([
  ['get_weather', { name: 'get_weather', schema: toolDefs[0].parameters, invoke: async ({ city }) => ({ city, temp: city.length * 7 }) }],
  ['fail-always', { name: 'fail-always', schema: toolDefs[1].parameters, invoke: async () => { throw new Error('Service unavailable'); } }],
]);
const programmatic = createProgrammaticToolCallingTool(params);
const bashProgrammatic = createBashProgrammaticToolCallingTool(params);
const withTools = (session) => ({ toolDefs, toolMap, ...session });
report.tools = {
  python: await call(programmatic, { code: 'import os\na, b = await asyncio.gather(get_weather(city="Bern"), get_weather(city="Lima2"))\nprint(b["temp"] - a["temp"])\nfor i in range(15):\n    await get_weather(city="x" * i)\ntry:\n    await fail_always()\nexcept Exception as error:\n    print(error)\nopen("tools.csv", "w").write("1\\n")' }, withTools()),
  failed: await failure(call(programmatic, { code: 'print("before")\nawait fail_always()' }, withTools())),
  bash: await call(bashProgrammatic, { code: 'raw=$(get_weather \'{"city":"Bern"}\')\necho "T=$(printf "%s" "$raw" | jq -r .temp)"\nget_weather \'{"city":"Lima"}\' & get_weather \'{"city":"Oslo"}\' &\nwait' }, withTools()),
  exited: await failure(call(bashProgrammatic, { code: 'get_weather \'{"city":"Bern"}\'; exit 7' }, withTools())),
};
report.tools.files = await call(bashProgrammatic, { code: 'cat tools.csv; get_weather \'{"city":"Bern"}\' > /dev/null; cat tools.csv' }, withTools(injected(report.tools.python.artifact)));

// The node of the agent's graph, which carries the session and its files from call to call, as in a conversation.
const sessions = new Map();
const node = new ToolNode({ tools: [code, bash], sessions });
async function turn(tool, args) {
  const id = nextId('turn');
  const { messages } = await node.invoke({ messages: [new AIMessage({ content: '', tool_calls: [{ id, name: tool.name, args, type: 'tool_call' }] })] });
  return messages[0].content;
}
report.conversation = [
  await turn(code, { lang: 'py', code: 'open("notes.txt", "w").write("one\\n")\nprint("kept")' }),
  await turn(bash, { command: 'cat notes.txt; echo two >> notes.txt; echo new > other.txt' }),
  await turn(code, { lang: 'py', code: 'print(open("notes.txt").read().split(), open("other.txt").read().split())' }),
];
report.conversation_files = [...sessions.values()].flatMap((session) => session.files.map((file) => file.name)).sort();

// What it asks before it hands the files of an earlier session to a program.
const scope = { kind: 'user', id: 'agents-user' };
const lookUp = (session) => fetchSessionFiles(getCodeBaseURL(), session, scope, params.authHeaders);
report.session_files = await lookUp(report.made.artifact.session_id);
report.no_session_files = await lookUp('nobody-knows-this-one');

report.refused = await failure(call(code, { lang: 'py', code: '   ' }));
const stranger = createCodeExecutionTool({ authHeaders: { 'X-API-Key': 'wrong-key-7d1f0c2b9a' } });
report.unauthorised = await failure(call(stranger, { lang: 'py', code: 'print(1)' }));
report.slow = await slow;
process.stdout.write(`${JSON.stringify(report)}\n`);
