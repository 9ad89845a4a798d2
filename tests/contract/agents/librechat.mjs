// SPDX-License-Identifier: Apache-2.0
// What LibreChat's own server does with files, through the HTTP packages that it does it with (axios, form-data): it is no
// package itself. Files are uploaded, found fresh or not, handed to the code tool, read, written, fetched and deleted.
// Prints what happened as one JSON document. CODE_BASEURL may hold the key; CODE_API_KEY is sent as x-api-key.

import http from 'node:http';
import process from 'node:process';
import { Readable } from 'node:stream';
import './calls.mjs';

const { default: axios } = await import('axios');
const { default: FormData } = await import('form-data');

const BASE = process.env.CODE_BASEURL;
const USER = { kind: 'user', id: 'user-66f0c1' };
const SKILL = { kind: 'skill', id: 'skill-66f0c2', version: 3 };
const BYTES_MAX = 150 * 1024 * 1024;
const FRESH_MS = 23 * 3600 * 1000;

const common = {
  'User-Agent': 'LibreChat/1.0',
  ...(process.env.CODE_API_KEY ? { 'x-api-key': process.env.CODE_API_KEY } : {}),
};
const profiled = { ...common, 'X-CodeAPI-Expected-Profile': 'default', 'X-LibreChat-Code-Worker-ID': 'worker-1' };
const agents = { httpAgent: new http.Agent({ keepAlive: false }) };

const textOf = ({ kind, id, version }) => ({ kind, id, ...(version === undefined ? {} : { version: String(version) }) });
const queryOf = (owner) => `?${new URLSearchParams(textOf(owner))}`;

// Names with folders keep them; others are a bare name, whatever is in it. Streams are of unknown length.
function addFile(form, name, content) {
  const folders = name.includes('/') ? { filepath: name } : {};
  form.append('file', Readable.from([Buffer.from(content)]), { filename: name.split('/').pop(), ...folders });
}

async function send(route, fields, files, headers) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    form.append(name, value);
  }
  for (const [name, content] of Object.entries(files)) {
    addFile(form, name, content);
  }
  const answer = await axios.post(`${BASE}${route}`, form, {
    ...agents,
    // The boundary stands in the first of these; the client's HTTP package is to find it.
    headers: { ...form.getHeaders(), 'Content-Type': 'multipart/form-data', ...headers, 'User-Id': USER.id },
    timeout: 120000,
    maxContentLength: BYTES_MAX,
    maxBodyLength: BYTES_MAX,
  });
  return answer.data;
}

async function upload(owner, name, content) {
  const data = await send('/upload', textOf(owner), { [name]: content }, profiled);
  if (data.message !== 'success') {
    throw new Error(data.message);
  }
  return { ...owner, session: data.storage_session_id, file: data.files[0].fileId, name };
}

async function uploadBatch(owner, files, fields = { read_only: 'true' }) {
  return await send('/upload/batch', { ...textOf(owner), ...fields }, files, profiled);
}

async function get(path, options) {
  return await axios({ method: 'get', url: `${BASE}${path}`, headers: common, timeout: 15000, ...agents, ...options });
}

// What is not fresh, or cannot be asked for, is uploaded again.
async function probe(ref) {
  try {
    const { data } = await get(`/sessions/${ref.session}/objects/${ref.file}${queryOf(ref)}`, { timeout: 5000 });
    return { fresh: Date.now() - new Date(data.lastModified) < FRESH_MS, name: data.originalFilename };
  } catch {
    return null;
  }
}

const input = ({ kind, id, version, session, file, name }) => ({
  id: file,
  resource_id: id,
  storage_session_id: session,
  name,
  kind,
  ...(kind === 'skill' ? { version } : {}),
});

async function exec(lang, code, files, session) {
  const body = { lang, code, ...(session ? { session_id: session } : {}), ...(files.length ? { files } : {}) };
  const headers = { 'Content-Type': 'application/json', ...common };
  return (await axios({ method: 'post', url: `${BASE}/exec`, data: body, headers, timeout: 60000, ...agents })).data;
}

// Reading a file is `cat`; nothing but an error's text says that there is none.
async function read(path, files, session) {
  const result = await exec('bash', `cat '${path.replace(/'/g, `'\\''`)}'`, files, session);
  if (result.stderr && !result.stdout) {
    throw new Error(result.stderr.trim());
  }
  return result.stdout;
}

// Neither path nor content is ever shell: both travel as base64.
async function write(path, content, files, session) {
  const order = Buffer.from(JSON.stringify({ path, content: Buffer.from(content).toString('base64') })).toString('base64');
  const lines = [
    "python3 - <<'END'",
    'import base64, json, os',
    `order = json.loads(base64.b64decode("${order}"))`,
    'os.makedirs(os.path.dirname(order["path"]), exist_ok=True)',
    'with open(order["path"], "wb") as file:',
    '    file.write(base64.b64decode(order["content"]))',
    'print("written")',
    'END',
  ];
  return await exec('bash', lines.join('\n'), files, session);
}

async function fetchOutput(session, id) {
  const path = `/download/${session}/${id}${queryOf(USER)}`;
  return Buffer.from((await get(path, { responseType: 'arraybuffer' })).data).toString('utf8');
}

async function stream(ref) {
  const { data, headers } = await get(`/download/${ref.session}/${ref.file}${queryOf(ref)}`, { responseType: 'stream' });
  const pieces = [];
  for await (const piece of data) {
    pieces.push(piece);
  }
  return { text: Buffer.concat(pieces).toString('utf8'), disposition: headers['content-disposition'] };
}

async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.response ? { status: error.response.status, data: error.response.data } : { text: error.message };
  }
}

async function remove(ref) {
  const url = `${BASE}/files/${ref.session}/${ref.file}${queryOf(ref)}`;
  return (await axios({ method: 'delete', url, headers: common, timeout: 15000, ...agents })).status;
}

const report = {};

// A file of the user's, and a skill with folders.
const NAME = 'Zahlen – 2024 (v2).csv';
const table = await upload(USER, NAME, 'a,b\n1,2\n');
report.table = { probe: await probe(table), unknown: await probe({ ...table, file: 'nobody-knows-this-one' }) };
const batch = await uploadBatch(SKILL, {
  'skills/weather/SKILL.md': '# Weather\n',
  'skills/weather/scripts/run.py': 'print("skill runs")\n',
  'skills/weather/references/schema.xsd': '<xsd/>\n',
  'skills/weather/uv.lock': 'locked\n',
});
report.batch = batch;
const skill = batch.files.map(({ fileId, filename }) => ({
  ...SKILL,
  session: batch.storage_session_id,
  file: fileId,
  name: filename,
}));
report.skill_probes = await Promise.all(skill.map(probe));

// They are handed to programs. What these make is fetched; what was handed in is not made anew.
const inputs = [table, ...skill].map(input);
const first = await exec(
  'py',
  [
    'import os, subprocess',
    'name = next(n for n in os.listdir("/mnt/data") if n.endswith(".csv"))',
    'print(open("/mnt/data/" + name).read(), subprocess.run(["python3", "/mnt/data/skills/weather/scripts/run.py"], capture_output=True, text=True).stdout)',
    'os.makedirs("/mnt/data/charts", exist_ok=True)',
    'open("/mnt/data/charts/out.txt", "w").write("made")',
    'open("/mnt/data/" + name, "a").write("3,4\\n")',
    'try:',
    '    open("/mnt/data/skills/weather/SKILL.md", "a").write("changed")',
    'except OSError as error:',
    '    print("read-only")',
  ].join('\n'),
  inputs,
);
report.first = first;
report.outputs = {};
for (const file of first.files.filter((entry) => !entry.inherited)) {
  report.outputs[file.name] = await fetchOutput(file.storage_session_id ?? first.session_id, file.id);
}

// The sandbox file tools, in the session of the code tool, with all its files.
const carried = first.files.map((file) => ({ ...file, storage_session_id: file.storage_session_id ?? first.session_id }));
report.read = await read('/mnt/data/charts/out.txt', carried, first.session_id);
report.missing = await failure(read("/mnt/data/it's not there", carried, first.session_id));
const written = await write('/mnt/data/notes/plan.md', 'one\n"two" $three\n', carried, first.session_id);
report.written = { stdout: written.stdout, files: written.files.map((file) => file.name) };
report.read_back = await read('/mnt/data/notes/plan.md', written.files, written.session_id);
report.warm_up = (await exec('bash', 'true', [])).stderr;

// Fetching it back, uploading anew what is gone, and cleaning up.
report.streamed = await stream(table);
report.removed = [await remove(table), (await failure(remove(table)))?.status, await probe(table)];
const again = await upload(USER, NAME, 'a,b\n5,6\n');
report.again = (await exec('bash', `cat '/mnt/data/${NAME}'`, [input(again), ...inputs.slice(1)])).stdout;
const partial = await uploadBatch(USER, { 'photo.png': 'png', 'tool.exe': 'MZ' }, {});
report.partial = { message: partial.message, failed: partial.failed, states: partial.files.map((file) => file.status) };
report.none = (await uploadBatch(USER, { 'tool.exe': 'MZ' }, {})).message;
report.refused = await failure(
  axios({ method: 'get', url: `${BASE}/files/${again.session}`, headers: { ...common, 'x-api-key': 'wrong-key-7d1f0c2b9a' }, ...agents }),
);

// The generation before: agents' files by entity, references by session, freshness from a listing.
const old = await send('/upload', { entity_id: 'agent_66f0c3' }, { 'data.csv': 'x\n1\n' }, common);
const identifier = `${old.session_id}/${old.files[0].fileId}`;
const listed = await get(`/files/${old.session_id}`, { params: { detail: 'summary', entity_id: 'agent_66f0c3' }, timeout: 5000 });
const found = listed.data.find((file) => file.name.startsWith(identifier));
const oldFiles = [{ id: old.files[0].fileId, session_id: old.session_id, name: 'data.csv' }];
report.old = {
  message: old.message,
  fresh: Date.now() - new Date(found.lastModified) < FRESH_MS,
  seen: (await exec('py', 'print(open("/mnt/data/data.csv").read())', oldFiles)).stdout,
  fetched: (await get(`/download/${identifier}`, { responseType: 'arraybuffer' })).data.toString(),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
