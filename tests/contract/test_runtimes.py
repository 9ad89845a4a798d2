# SPDX-License-Identifier: Apache-2.0
"""A program whose interpreter was started before it was known behaves as one that started its own (docs/LANGUAGES.md)."""

import concurrent.futures
import itertools
import json
import os
import signal

import pytest
from support import host

# What an interpreter can tell of how it was started; the numbers of processes and of times are not in it.
PROBES = {
    "js": """
const { Worker, isMainThread } = require('worker_threads');
const fs = require('fs');
const of = (text, words) => text.split('\\n').filter((line) => words.test(line));
const seen = {
  argv: process.argv, options: process.execArgv, preloaded: process._preload_modules, env: process.env, cwd: process.cwd(),
  loaded: Object.keys(require.cache), paths: module.paths, main: require.main === module, title: process.title,
  stdin: process.stdin.constructor.name, stdout: process.stdout.constructor.name, globals: Object.getOwnPropertyNames(globalThis),
  young: process.uptime() < 20, heap: require('v8').getHeapStatistics().heap_size_limit,
  stack: new Error('x').stack, next: fs.openSync('/etc/passwd'), open: fs.readdirSync('/proc/self/fd'),
  status: of(fs.readFileSync('/proc/self/status', 'utf8'), /^(Uid|Gid|Groups|Umask|PPid|Sig|Shd|Cap|NoNewPrivs|Seccomp)/),
  limits: fs.readFileSync('/proc/self/limits', 'utf8'),
};
const inside = `require("worker_threads").parentPort.postMessage([process.execArgv, process.argv, Object.keys(require.cache),
  require("v8").getHeapStatistics().heap_size_limit])`;
new Worker(inside, { eval: true }).on('message', (message) => console.log(JSON.stringify({ ...seen, thread: message })));
""",
}
PROBES["php"] = """<?php
$seen = [
    'argv' => $argv, 'argc' => $argc, 'server' => array_diff_key($_SERVER, ['REQUEST_TIME' => 0, 'REQUEST_TIME_FLOAT' => 0]),
    'young' => microtime(true) - $_SERVER['REQUEST_TIME_FLOAT'] < 20 && time() - $_SERVER['REQUEST_TIME'] < 20,
    'globals' => array_keys($GLOBALS), 'classes' => count(get_declared_classes()), 'functions' => get_defined_functions()['user'],
    'cwd' => getcwd(), 'file' => __FILE__, 'environment' => getenv(), 'options' => array_diff_key(ini_get_all(null, false), ['auto_prepend_file' => 0]),
    'streams' => array_map('stream_get_meta_data', [STDIN, STDOUT, STDERR]), 'types' => array_map(fn ($s) => fstat($s)['mode'], [STDIN, STDOUT, STDERR]),
    'trace' => (new Exception('x'))->getTraceAsString(), 'backtrace' => debug_backtrace(),
    'umask' => umask(),
    'status' => preg_grep('/^(Uid|Gid|Groups|Umask|PPid|Sig|Shd|Cap|NoNewPrivs|Seccomp:|Threads)/', file('/proc/self/status')),
    'limits' => file_get_contents('/proc/self/limits'), 'included' => in_array(__FILE__, get_included_files()),
];
echo json_encode($seen);
"""
PROBES["r"] = """
status <- grep("^(Uid|Gid|Groups|Umask|PPid|Sig|Shd|Cap|NoNewPrivs|Seccomp)", readLines("/proc/self/status"), value = TRUE)
seen <- list(
  arguments = commandArgs(), trailing = commandArgs(TRUE), env = sub("/Rtmp.*", "", sort(paste(names(Sys.getenv()), Sys.getenv()))), cwd = getwd(), search = search(),
  namespaces = sort(loadedNamespaces()), libraries = sort(names(getLoadedDLLs())), global = ls(all.names = TRUE), base = length(ls(baseenv(), all.names = TRUE)),
  options = deparse(options()[order(names(options()))]), interactive = interactive(), locale = Sys.getlocale(), status = status,
  limits = readLines("/proc/self/limits"), open = length(list.files("/proc/self/fd")), temporary = file.exists(tempdir()), calls = length(sys.calls()),
  connections = nrow(showConnections()), devices = length(dev.list()), paths = .libPaths())
quoted <- function(x) paste0('"', gsub('["\\\\[:cntrl:]]', "?", x), '"')
cat("{", paste(sprintf('"%s": [%s]', names(seen), sapply(seen, function(x) paste(quoted(as.character(unlist(x))), collapse = ", "))), collapse = ", "), "}")
"""
PROBES["bash"] = r"""
last=$_ status=$? young=$((SECONDS < 20)) traced=("${BASH_ARGV[@]}" / "${BASH_ARGC[@]}" / "${BASH_SOURCE[@]}" / "${FUNCNAME[@]}" "$(caller)")
of() { printf '%s\n' "$@" | grep -vE '^(declare -[a-z-]+ )?(BASHPID|EPOCH|RANDOM|SRANDOM|SECONDS|PPID|_|last|status|BASH_LINENO)='; }
seen() { jq -n --arg name "$1" --arg text "$2" '{($name): $text}'; }
{
    seen '$_' "$last" && seen '$?' "$status" && seen young "$young" && seen traced "${traced[*]}" && seen arguments "$0|$#|$*|$-|$PWD|$OLDPWD|$SHLVL|$LINENO"
    seen variables "$(of "$(declare -p)")" && seen functions "$(declare -F)" && seen options "$(shopt -p; set -o; umask; ulimit -a)"
    seen builtins "$(enable -a; enable -n; trap -p; alias; jobs; hash 2>&1; bind -l 2>&1 | wc -l; complete -p; history)" && seen environment "$(env | grep -v ^_= | sort)"
    seen open "$(for fd in /proc/$$/fd/*; do echo "${fd##*/} $([ -p "$fd" ] && echo pipe || readlink "$fd")"; done)"
    seen limits "$(cat /proc/$$/limits)" && seen cwd "$(readlink /proc/$$/cwd)" && seen command "$(tr '\0' ' ' </proc/$$/cmdline | cut -d' ' -f1,2; cat /proc/$$/comm)"
    seen process "$(grep -E '^(Uid|Gid|Groups|Umask|PPid|Sig|Shd|Cap|NoNewPrivs|Seccomp|Threads)' /proc/$$/status)" && seen BASH_ENV "${BASH_ENV-unset}"
} | jq -s add
"""
PROBES["ts"] = PROBES["js"].replace("const of = (text, words)", "const of = (text: string, words: RegExp)")

FAILURES = [
    ("bash", "echo out; echo error >&2; exit 9"),
    ("bash", "if then"),
    ("bash", "missing-command; ./missing; . ./missing"),
    ("bash", "set -eu; trap 'echo at the end $?' EXIT; echo $unset"),
    ("bash", "kill -TERM $$"),
    ("bash", "exec cat /run/build/code.sh"),
    ("bash", "f() { caller 0; return 3; }; f; echo $? $LINENO ${BASH_LINENO[*]} $BASH_COMMAND"),
    ("bash", "read line; echo $? [$line]; wc -c; printf 'no end of line'"),
    ("bash", "sleep 0.1 & wait $!; echo $?; (exit 4); echo $? $BASH_SUBSHELL; coproc cat; echo ${#COPROC[@]}; kill $!; wait"),
    ("bash", "echo a >a.txt; cat <<<\"$(<a.txt)\" | tee b.txt; ls -1; cd /tmp && echo $OLDPWD"),
    ("bash", "declare -A a=([ü]=1); echo ${!a[@]} ${#a} $'\\u00fc'; printf '%(%Y)T' -2 | wc -c; [[ ü < z ]]; echo $?"),
    ("js", "null.x"),
    ("js", "throw new Error('thrown')"),
    ("js", "Promise.reject(new Error('rejected'))"),
    ("js", "let x = ;"),
    ("js", "process.exitCode = 9; process.on('exit', (code) => console.log('exit', code, process.exitCode))"),
    ("js", "process.exit(300)"),
    ("js", "process.on('beforeExit', () => setTimeout(() => { process.stdout.write('y'.repeat(1 << 20)); process.exit() }, 10)); process.stdout.write('x'.repeat(1 << 19))"),
    ("js", "process.on('exit', () => { process.exitCode = 4 })"),
    ("js", "process.once('exit', () => { throw new Error('in exit') }); process.exit(0)"),
    ("js", "const emit = process.emit; process.emit = function (...a) { console.log(a); return emit.apply(this, a) }; console.log(Object.keys(process).includes('emit'))"),
    ("js", "const { reallyExit } = process; process.reallyExit = (code) => { console.log('really', code); reallyExit.call(process, 6) }; process.exit()"),
    ("js", "const fs = require('fs'); fs.createWriteStream('a.txt').end('a', () => fs.createReadStream('a.txt').on('data', (d) => console.log(String(d), new Error('x').stack)))"),
    ("js", "process.emit('exit', 0); console.log('goes on', process.emit.name, process.listenerCount('exit'), Object.keys(require('module')._cache))"),
    ("js", "require('events').prototype.emit = (type) => require('fs').writeSync(1, type)"),
    ("js", "for (const name in process) if (name === 'emit') console.log(name)"),
    ("js", "process.kill(process.pid, 'SIGTERM')"),
    ("js", "import fs from 'fs'; import { x } from './missing.mjs'"),
    ("js", "import os from 'os'; console.log(typeof os.EOL, import.meta.url, await 1); throw new TypeError('late')"),
    ("js", "require('./missing')"),
    ("js", "console.log(require('fs').readFileSync(0, 'utf8').length); process.stdin.on('data', console.log).on('end', () => console.log('end'))"),
    ("js", "process.stdout.write('no end of line'); console.error('error')"),
    ("js", "console.log(new Intl.DateTimeFormat().resolvedOptions().timeZone, new Date(0).toString(), 'ü'.localeCompare('z'))"),
    ("php", "<?php echo 1; throw new Exception('thrown');"),
    ("php", "<?php echo $missing; exit(9);"),
    ("php", "<?php function f( {"),
    ("php", "<?php exit('why');"),
    ("php", "<?php var_dump(fread(STDIN, 10), feof(STDIN)); fwrite(STDERR, 'error'); fwrite(STDOUT, 'out'); require 'missing.php';"),
    ("php", "no php at all"),
    ("php", "<?php register_shutdown_function(fn () => print('shut down')); posix_kill(posix_getpid(), 15);"),
    ("php", "<?php file_put_contents('a.txt', 'a'); echo implode(',', scandir('.')); print_r(array_map('basename', glob('*')));"),
    ("r", "cat('out'); stop('why')"),
    ("r", "print(missing)"),
    ("r", "f <- function( {"),
    ("r", "quit(status = 9)"),
    ("r", "warning('beware'); f <- function(x) warning('inside'); f(1); message('told')"),
    ("r", "print(summary(lm(dist ~ speed, cars))); print(readLines('stdin')); x <- readline(); print(x)"),
    ("r", "png('a.png'); plot(1:3); invisible(dev.off()); print(list.files())"),
    ("r", "tools::pskill(Sys.getpid(), 15); Sys.sleep(5)"),
    ("r", "1 + 1\n'ü'\nlocal({ .Last <<- function() cat('last') })"),
    ("ts", "const f = (): number => { throw new RangeError('typed') };\n\nf();"),
    ("ts", "const x: number = ;"),
    ("ts", "const text: string = await Promise.resolve('later'); console.log(text, import.meta.url)"),
    ("ts", "console.log(import.meta.url, 2n ** 64n)"),
    ("ts", "function seen(of: any, name: string) { console.log(name) }\nclass A { @seen x = 1; constructor(private y: number) {} }\nconsole.log(new A(2))"),
    ("ts", "// " + "x" * 300000 + "\nlet ü: string = 'ü'; throw new Error(ü)"),
    ("ts", "console.log(require('fs').readdirSync('/run/build').join(), process.stdin.isTTY)"),
    ("ts", "console.log(process.env.NODE_ENV, process.env['NODE_ENV'])"),
    ("ts", "enum E { A = 3 }\nconsole.log(E.A, E[3]); process.exit(E.A)"),
    ("java", "public class Code { public static void main(String[] a) { int x = \"ü\"; missing(); } }"),
    ("java", "public class Code { public static void main(String[] a) throws Exception { System.out.println(System.in.read()); System.exit(9); } }"),
    ("java", "class Größe { void x() { java.util.List l = new java.util.ArrayList(); l.add(1); } }\npublic class 𝒳ü {\n"
     "public static void main(String[] a) { System.out.println(new java.io.File(\"x\").getAbsolutePath() + a.length); throw new Error(\"late\"); } }"),
]


@pytest.fixture(scope="module")
def own(server, program):
    """A server whose programs start their own interpreters."""
    from support.server import Server

    other = Server({"AUTH_FAILURE_LIMIT": "0", "SANDBOX_POOL_ENABLED": "false"})
    with other.client() as client:
        yield client
    other.stop()


@pytest.fixture(scope="module")
def waited(server):
    """exec() that repeats a program until an interpreter that had waited ran it."""
    with server.client() as client:

        def run(code, lang, **fields):
            answers = []

            def once():
                source = f"{code}\n// {len(answers)}" if lang in ("ts", "java") else code  # or what was compiled is in the cache
                answers.append(client.exec(source, lang, **fields))
                return answers[-1]["usage"]["warm"] == "armed"

            assert host.until(once, 60, 0.2), answers[-1]
            return answers[-1]

        yield run


@pytest.mark.parametrize("lang", sorted(PROBES))
def test_nothing_tells_that_it_waited(waited, own, lang):
    seen = [run(PROBES[lang], lang, args=["a b", "ü"]) for run in (waited, own.exec)]
    first, second = (json.loads(answer.stdout) for answer in seen)
    for name in second:
        assert first[name] == second[name], name
    assert first == second


@pytest.mark.parametrize("lang, code", FAILURES)
def test_programs_end_alike(waited, own, lang, code):
    first, second = waited(code, lang), own.exec(code, lang)
    for name in "code", "signal", "outcome", "stdout", "stderr":
        assert first[name] == second[name], name


@pytest.mark.parametrize(
    "lang, code",
    [
        ("js", "console.log(globalThis.left || 'first', Math.random(), require('crypto').randomUUID()); globalThis.left = 1"),
        ("bash", "echo ${left-first} $RANDOM $SRANDOM $EPOCHREALTIME; left=1; export left; echo 'left=2' >/tmp/left"),
        ("r", "cat(if (exists('left')) left else 'first', runif(1), tempfile()); left <- 1"),
        ("php", "<?php echo $left ?? 'first', ' ', mt_rand(), ' ', lcg_value(), ' ', random_int(0, 1 << 40); $left = 1;"),
    ],
)
def test_each_serves_one_program(waited, lang, code):
    """No two programs find the same random numbers, or what another left behind."""
    answers = [waited(code, lang).stdout for _ in range(4)]
    assert len(set(answers)) == 4 and all(answer.startswith("first ") for answer in answers), answers


def waiting_transpilers(server):
    return [pid for pid in host.descendants(server.process.pid) if host.command_line(pid)[:2] == ["/usr/bin/esbuild", "--loader=ts"]]


def test_a_transpiler_waits_too(server):
    """Beside a Node, for a program that was not transpiled before; not for one that was; and it may die unnoticed."""
    numbers = itertools.count()

    def is_right(client):
        number = next(numbers)
        return client.exec(f"console.log({number} as number)", "ts").stdout == f"{number}\n"

    def is_there_after(client):
        return is_right(client) and host.until(lambda: waiting_transpilers(server), 3)

    with server.client() as client:
        assert host.until(lambda: is_there_after(client), 60)
        again = [client.exec("console.log('same' as string)", "ts") for _ in range(3)]
        assert [answer.stdout for answer in again] == ["same\n"] * 3
        assert host.until(lambda: is_there_after(client), 60)
        for pid in waiting_transpilers(server):
            os.kill(pid, signal.SIGKILL)
        assert all(is_right(client) for _ in range(10))
        assert host.until(lambda: is_there_after(client), 60)
        stopped = set()

        def waits_for_it():
            for pid in waiting_transpilers(server):
                os.kill(pid, signal.SIGSTOP)
                stopped.add(pid)
            assert client.exec("console.log('same' as string)", "ts").stdout == "same\n"
            return client.exec(f"console.log({next(numbers)} as number)", "ts", timeout=1500).outcome == "timeout"

        # A slot may have got its own after the look at them.
        assert host.until(waits_for_it, 60)
        for pid in stopped.intersection(waiting_transpilers(server)):
            os.kill(pid, signal.SIGCONT)


def test_what_was_not_used_leaves_nothing(server_with):
    """A slot whose transpiler has waited in vain serves another language as any other does."""
    server = server_with(SANDBOX_POOL_ENABLED="true", SANDBOX_POOL_PY="0", MAX_CONCURRENT_EXECUTIONS="2")
    late = "import('fs').then(() => setTimeout(() => console.log({n} as number), 300))"
    with server.client() as client, server.client() as other, concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: (client, other)[n].exec(late.format(n=n), "ts"), (0, 1)))
        assert host.until(lambda: len(waiting_transpilers(server)) == 2, 20), "one in each slot"
        for lang, code in ("js", "console.log(1)"), ("bash", "ls -A /run/build"), ("ts", late.format(n=0)), ("bash", "ls -A /run/build"):
            answer = client.exec(code, lang)
            assert answer.outcome == "ok", dict(answer)
            assert lang != "bash" or answer.stdout == "code.sh\n"


def test_limits_of_the_request_hold(waited):
    answer = waited("const held = []; for (;;) held.push(Buffer.alloc(16 << 20, 1))", "js")
    assert answer.outcome == "out_of_memory", dict(answer)
    answer = waited("for (;;);", "js", timeout=1000)
    assert answer.outcome == "timeout", dict(answer)
