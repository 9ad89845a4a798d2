/* SPDX-License-Identifier: Apache-2.0 */
#include "main/selftest_case.h"

#include "main/selftest.h"

/* What a bounded compiler may end with. */
#define BOUNDED      "compile_error timeout out_of_memory disk_limit output_limit process_limit signal error"
#define OUT_OF_SPACE "out_of_memory disk_limit"

/* Requests: @KEY@ is the key, @LENGTH@ the body's length, @@ a NUL, @x*9@ nine times x. */
#define HEAD(method, path) method " " path " HTTP/1.1\r\nHost: x\r\nx-api-key: @KEY@\r\n"
#define GET(path)          HEAD("GET", path) "\r\n"
#define POST(path, body)   HEAD("POST", path) "Content-Type: application/json\r\nContent-Length: @LENGTH@\r\n\r\n" body
#define EXEC(body)         POST("/exec", body)

#define REFUSED "HELD\\tAF_ALG\\trefused\\nEND"
#define ALLOWED "DOWN\\tAF_ALG\\topened\\nEND"

/* clang-format off */
const struct selftest_case selftest_cases[] = {
    /* -- the kernel */
    { "K1", "no kernel cryptography", .language = "py", .file = "k01_kernel_crypto.py" },
    { "K1", "  in compiled programs", .language = "c",
      .code = "#include <stdio.h>\n#include <sys/socket.h>\n"
              "int main(void) { puts(socket(38, 5, 0) < 0 ? \"" REFUSED "\" : \"" ALLOWED "\"); }\n" },
    { "K1", "  in children of a shell", .language = "bash", .code = "python3 -c '\nimport socket\ntry:\n    socket.socket(38, 5, 0)\n    print(\"" ALLOWED "\")\n"
              "except OSError:\n    print(\"" REFUSED "\")\n'\n" },
    { "K2", "no RxRPC, XFRM, keys", .language = "py", .file = "k02_rxrpc_xfrm.py" },
    { "K3", "no new namespaces", .language = "py", .file = "k03_namespaces.py" },
    { "K4", "descriptors in flight are bounded", .language = "py", .file = "k04_descriptor_cycles.py" },
    { "K5", "no io_uring", .language = "py", .file = "k05_io_uring.py" },
    { "K6", "no PI futexes; epolls do not nest", .language = "py", .file = "k06_futex_epoll.py" },
    { "K7", "no dangerous system calls", .language = "py", .file = "k07_dangerous_calls.py" },
    { "K7", "  no right, filter on, for children too", .language = "py", .file = "k07_privilege.py" },
    { "K7", "  as the host's kernel sees it", .language = "bash", .code = "exec -a @MARK@ sleep 0.5\n",
      .way = selftest_privilege, .flags = SELFTEST_ON_HOST },
    { "K8", "no exotic or raw sockets", .language = "py", .file = "k08_families.py" },
    { "K9", "no calls of other architectures", .language = "c", .file = "k09_foreign_abi.c" },
    { "K10", "no code by another field", .language = "py", .file = "k10_other_fields.py",
      .fields = "{\"args\": [\"-c\", \"import os; os._exit(9)\", \"$(touch /mnt/data/pwned)\", \"; touch /mnt/data/pwned\","
                " \"--inspect\", \"-\"], \"env\": {\"EVIL\": \"1\", \"BASH_ENV\": \"/mnt/data/x\"},"
                " \"environment\": {\"EVIL\": \"1\"}, \"preload\": \"touch /mnt/data/pwned\", \"command\": \"id\","
                " \"user\": \"root\", \"uid\": 0, \"cwd\": \"/etc\", \"filename\": \"; touch /mnt/data/pwned\"}" },
    { "K11", "set-user-id gives nothing", .language = "py", .file = "k11_setuid.py" },
    { "K12", "no setting of the kernel", .language = "py", .file = "k12_kernel_settings.py" },
    { "K13", "few devices, and the real ones", .language = "py", .file = "k13_devices.py" },
    { "K14", "the runtime is read-only", .language = "py", .file = "k14_runtime.py" },
    { "K15", "three descriptors, and a root of its own", .language = "py", .file = "k15_descriptors.py" },
    { "K16", "no mounts; scratch alone is writable", .language = "py", .file = "k16_mounts.py" },
    { "K17", "no counters, no merged memory", .language = "py", .file = "k17_posture.py" },
    { "K18", "virtual machines", .absent = "there is no hypervisor mode" },

    /* -- files */
    { "F1", "links are no outputs", .language = "py", .file = "f01_links.py", .flags = SELFTEST_ANSWERS,
      .files = "real.txt", .contents = "mine" },
    { "F2", "no race with the harvest", .language = "c", .file = "f02_swapped_directory.c", .flags = SELFTEST_ANSWERS,
      .contents = "mine" },
    { "F3", "links planted for the next program", .language = "py", .file = "f03_plant.py", .second = "f03_look.py",
      .way = selftest_then },
    { "F4", "pipes, sockets, devices are no outputs", .language = "py", .file = "f04_special_files.py",
      .flags = SELFTEST_ANSWERS, .files = "real.txt", .contents = "mine" },
    { "F5", "hard links", .language = "py", .file = "f05_hard_links.py" },
    { "F6", "giant files", .language = "py", .file = "f06_monsters.py" },
    { "F6", "  hostile names, depth and number", .language = "py", .file = "f06_hostile_tree.py",
      .flags = SELFTEST_ANSWERS },
    { "F7", "no residue of used up files", .language = "py", .file = "f07_inodes.py", .second = "f07_residue.py",
      .way = selftest_after },
    { "F8", "names of uploads",
      .absent = "uploads that overlap: tests/contract/test_upload.py" },
    { "F9", "archives", .absent = "the server unpacks no archives" },
    { "F10", "another tenant's files", .language = "bash", .code = "echo secret > secret.txt\n",
      .way = selftest_tenants, .flags = SELFTEST_OWN },
    { "F10", "  ids that are paths", .way = selftest_request, .request = GET("/download/..%2f..%2fetc/passwd"),
      .status = "400 404", .never = "root:" },
    { "F11", "headers of downloads", .absent = "what a browser makes of them: tests/contract/test_download.py" },
    { "F12", "inputs cannot be changed", .language = "py", .file = "f12_make.py", .second = "f12_spoil.py",
      .contents = "original", .way = selftest_kept },
    { "F13", "the host is hidden", .language = "py", .file = "f13_host.py" },
    { "F14", "a build cannot poison the next", .language = "c", .file = "f14_rewrites_itself.c",
      .flags = SELFTEST_ANSWERS, .out = "honest\n", .way = selftest_repeat },
    { "F15", "no busy executables", .language = "bash", .flags = SELFTEST_ANSWERS, .out = "done\n",
      .code = "for i in $(seq 40); do cp /bin/true ./t && chmod +x t && ./t || echo FAIL; rm -f t; done; echo done\n" },

    /* -- processes, resources, time */
    { "R1", "a fork bomb harms itself", .language = "py", .file = "r01_fork_bomb.py", .timeout_ms = 1500,
      .outcomes = "timeout process_limit out_of_memory", .flags = SELFTEST_ANSWERS | SELFTEST_NEIGHBOUR },
    { "R1", "  and a bomb of threads", .language = "c", .file = "r01_threads.c", .timeout_ms = 10000,
      .outcomes = "process_limit out_of_memory", .flags = SELFTEST_ANSWERS },
    { "R2", "memory is bounded", .language = "c", .file = "r02_anonymous.c", .outcomes = "out_of_memory",
      .out = "before\n", .flags = SELFTEST_ANSWERS | SELFTEST_NEIGHBOUR },
    { "R2", "  page tables", .language = "c", .file = "r02_page_tables.c", .outcomes = "out_of_memory",
      .flags = SELFTEST_ANSWERS },
    { "R2", "  of many processes", .language = "c", .file = "r02_many_processes.c",
      .outcomes = "out_of_memory error", .code_min = 1, .flags = SELFTEST_ANSWERS },
    { "R2", "  files in memory", .language = "c", .file = "r02_memory_files.c", .outcomes = OUT_OF_SPACE,
      .flags = SELFTEST_ANSWERS },
    { "R2", "  the host's limits of a cell", .language = "bash", .code = "exec -a @MARK@ sleep 0.5\n",
      .way = selftest_groups, .flags = SELFTEST_ON_HOST },
    { "R3", "no better place in the queue", .language = "py", .file = "r03_processor.py",
      .flags = SELFTEST_NEIGHBOUR },
    { "R4", "time ends who sleeps", .language = "bash", .code = "exec -a @MARK@ sleep 1000\n", .timeout_ms = 1000,
      .outcomes = "timeout", .flags = SELFTEST_ANSWERS },
    { "R4", "  who is busy", .language = "bash", .code = "exec -a @MARK@ bash -c 'while :; do :; done'\n",
      .timeout_ms = 1000, .outcomes = "timeout", .flags = SELFTEST_ANSWERS },
    { "R4", "  who is stopped", .language = "bash", .timeout_ms = 1000, .outcomes = "timeout",
      .code = "exec -a @MARK@ bash -c 'kill -STOP -1; kill -STOP 1; kill -STOP 0; sleep 1000'\n",
      .flags = SELFTEST_ANSWERS },
    { "R4", "  who is deaf", .language = "py", .file = "r04_deaf.py", .timeout_ms = 1000, .outcomes = "timeout",
      .flags = SELFTEST_ANSWERS },
    { "R4", "  and clocks cannot be set", .language = "py", .file = "r04_clocks.py" },
    { "R5", "children that hold the output", .language = "bash", .code = "(exec -a @MARK@ sleep 1000) &\necho done\n",
      .out = "done\n", .flags = SELFTEST_ANSWERS },
    { "R6", "endless output", .language = "bash", .code = "exec -a @MARK@ yes\n", .timeout_ms = 10000,
      .outcomes = "output_limit timeout", .out = "y\ny\n", .flags = SELFTEST_ANSWERS },
    { "R6", "  without lines", .language = "bash", .code = "echo first; exec -a @MARK@ cat /dev/zero\n", .timeout_ms = 10000,
      .outcomes = "output_limit timeout", .out = "first\n", .flags = SELFTEST_ANSWERS },
    { "R7", "what came before the end is told", .language = "bash", .code = "echo before; exec -a @MARK@ sleep 1000\n",
      .timeout_ms = 1000, .outcomes = "timeout", .out = "before\n", .flags = SELFTEST_ANSWERS },
    { "R8", "a full disk is the cell's", .language = "bash",
      .outcomes = OUT_OF_SPACE " error", .code_min = 1, .flags = SELFTEST_ANSWERS,
      .code = "cat /dev/zero > /mnt/data/full.bin2; cat /dev/zero > /tmp/full; exit 1\n" },
    { "R8", "  and the next one starts empty", .language = "bash", .second = "r08_room.sh", .way = selftest_after,
      .code = "head -c 1G /dev/zero > /mnt/data/full.bin2; head -c 1G /dev/zero > /tmp/full; true\n" },
    { "R9", "open files are bounded", .language = "py", .file = "r09_descriptors.py" },
    { "R10", "compilers are bounded", .language = "c", .code = "#include \"/dev/urandom\"\nint main(void) { return 0; }\n",
      .timeout_ms = 3000, .outcomes = BOUNDED, .flags = SELFTEST_ANSWERS },
    { "R10", "  in what they write", .language = "c", .timeout_ms = 3000, .outcomes = BOUNDED, .flags = SELFTEST_ANSWERS,
      .code = "static char a[1u << 31] = {1};\nint main(void) { return a[0]; }\n" },
    { "R10", "  in what they repeat", .language = "c", .timeout_ms = 3000, .outcomes = BOUNDED, .flags = SELFTEST_ANSWERS,
      .code = "#include __FILE__\n#include __FILE__\nint main(void) { return 0; }\n" },
    { "R10", "  in what they compute", .language = "cpp", .timeout_ms = 3000, .outcomes = BOUNDED, .flags = SELFTEST_ANSWERS,
      .code = "template<int N> struct F { static const int v = F<N - 1>::v + F<N - 2>::v; typename F<N + 1>::x t[N]; };\n"
              "int main() { return F<900>::v; }\n" },
    { "R10", "  and read nothing of the host", .language = "c", .outcomes = "compile_error", .never = "root:",
      .code = "#include \"/etc/shadow\"\nint main(void) { return 0; }\n", .flags = SELFTEST_ANSWERS },
    { "R11", "arguments are only arguments", .language = "py", .file = "r11_arguments.py",
      .fields = "{\"args\": [\"-o\", \"/mnt/data/out\", \"\\u0040/etc/passwd\", \"-wrapper\", \"sh,-c,touch /mnt/data/pwned\","
                " \"--config=/mnt/data/x\", \"--\", \"-c\", \"$(id)\", \"`id`\", \"; id\", \"| id\", \"> /mnt/data/pwned\","
                " \"a\\nb\", \"'\", \"\\\"\", \"\\\\\", \"*\", \"{source}\", \"%s\"]}" },
    { "R12", "no variable of a request", .language = "py", .file = "r12_environment.py",
      .fields = "{\"env\": {\"LD_PRELOAD\": \"/mnt/data/evil.so\", \"EVIL\": \"evil\", \"IFS\": \"evil\"},"
                " \"environment\": {\"GLIBC_TUNABLES\": \"evil\", \"NODE_OPTIONS\": \"evil\"}, \"envs\": [\"EVIL=evil\"]}" },
    { "R13", "no signal touches the init", .language = "py", .file = "r13_signals.py" },
    { "R13", "  and time still ends the program", .language = "bash", .timeout_ms = 1000, .outcomes = "timeout",
      .code = "trap '' HUP INT TERM\nfor s in HUP INT KILL TERM STOP SYS RTMAX; do kill -$s 1 2>/dev/null; done\n"
              "echo attacked\nexec -a @MARK@ sleep 100\n", .out = "attacked\n", .flags = SELFTEST_ANSWERS },
    { "R13", "  killing all is killing oneself", .language = "bash", .code = "kill -9 0\n", .outcomes = "signal",
      .code_min = 137, .flags = SELFTEST_ANSWERS },
    { "R14", "orphans are reaped", .language = "c", .file = "r14_orphans.c" },
    { "R15", "daemons end with their program", .language = "py", .file = "r15_daemon.py", .out = "done\n",
      .flags = SELFTEST_ANSWERS },
    { "R16", "who hangs up ends the program", .language = "bash", .code = "exec -a @MARK@ sleep 100\n",
      .way = selftest_hang_up, .flags = SELFTEST_ON_HOST },
    { "R17", "many at once", .language = "bash", .code = "echo fine\n", .out = "fine\n", .way = selftest_stampede },
    { "R18", "no time limit below nothing", .way = selftest_request, .status = "400 422",
      .request = EXEC("{\"lang\": \"bash\", \"code\": \"sleep 30\", \"timeout\": -1}") },
    { "R18", "  nor one that is no number", .way = selftest_request, .status = "400 422",
      .request = EXEC("{\"lang\": \"bash\", \"code\": \"sleep 30\", \"timeout\": NaN}") },
    { "R18", "  nor without end", .way = selftest_request, .status = "400 422",
      .request = EXEC("{\"lang\": \"bash\", \"code\": \"sleep 30\", \"timeout\": 1e99}") },
    { "R18", "  and no field lifts another limit", .language = "bash", .code = "exec -a @MARK@ sleep 30\n", .timeout_ms = 1000,
      .fields = "{\"memory_limit\": -1, \"wall_time_limit\": -1, \"cpu_time_limit\": 1e99, \"max_processes\": -1}",
      .outcomes = "timeout", .flags = SELFTEST_ANSWERS },
    { "R19", "days without growth", .absent = "takes days: tests/bench/soak.py" },
    { "R20", "copies draw different numbers", .language = "py", .file = "r20_randomness.py", .way = selftest_differ },

    /* -- network */
    { "N1", "no network, nothing of the host's", .language = "py", .file = "n01_no_network.py",
      .way = selftest_listeners, .flags = SELFTEST_ON_HOST },
    { "N1", "  seen from inside alone", .language = "py", .file = "n01_no_network.py" },
    { "N2", "no names looked up", .language = "py", .file = "n02_no_dns.py" },
    { "N3", "listed services", .absent = "what a listed service stores for strangers its operator chose" },
    { "N4", "public addresses only", .language = "py", .file = "n04_public_only.py" },
    { "N5", "the proxy reads one value once", .absent = "needs an internet of one's own: tests/attack/n05_proxy_parser.py" },
    { "N6", "server names are compared", .absent = "needs an internet of one's own: tests/attack/n06_server_names.py" },
    { "N7", "settings of the network", .language = "py", .file = "n07_settings_inside.py" },
    { "N8", "floods", .absent = "would flood a real network: tests/attack/n08_floods.py" },
    { "N9", "two cells do not meet", .language = "py", .file = "n09_first.py", .second = "n09_second.py",
      .way = selftest_beside },
    { "N10", "nobody outside reaches a listener", .language = "py", .file = "n10_listening.py", .way = selftest_knock,
      .flags = SELFTEST_ON_HOST },

    /* -- control */
    { "C1", "a forged answer is only output", .language = "py", .file = "c01_forged_replies.py", .outcomes = "error",
      .code_min = 5, .flags = SELFTEST_ANSWERS },
    { "C2", "a planted state is not unpacked", .language = "py", .file = "c02_plant.py", .second = "c02_look.py",
      .never = "UNPACKED", .way = selftest_then },
    { "C3", "a poisoned interpreter is nobody else's", .language = "py", .file = "c03_poison.py",
      .second = "c03_look.py", .way = selftest_after },
    { "C4", "sandboxes of languages", .absent = "none is used as a wall" },
    { "C5", "continuations cannot be forged", .way = selftest_request, .status = "200", .out = "Invalid or expired",
      .request = POST("/exec/programmatic", "{\"continuation_token\": \"@A*42@\", \"tool_results\": []}") },
    { "C5", "  and output calls no tool", .language = "py", .out = "call 1 4 2\n", .flags = SELFTEST_ANSWERS,
      .code = "print('call 1 4 2\\necho{}idle')\nimport os\ntry:\n    os.write(3, b'call 1 4 2\\necho{}idle\\n')\n"
              "    os._exit(3)\nexcept OSError:\n    pass\n" },
    { "C6", "names of tools are no code", .way = selftest_request, .status = "200", .out = "\"stdout\":\"1\\n\"",
      .request = POST("/exec/programmatic", "{\"code\": \"print(1)\", \"tools\": [{\"name\": \"x'); print('pwned' + ' by tool') #\"},"
                      " {\"name\": \"x(): pass\\nprint('pwned' + ' by tool')\\ndef y\"}]}") },
    { "C7", "changed requests", .absent = "manifests are not used; tokens of continuations: C5" },
    { "C8", "no administration with an ordinary key", .way = selftest_request, .status = "401 403 404 500",
      .request = GET("/api/v1/admin/keys"), .never = "key_prefix" }, /* 500: there is no such key on this server */
    { "C9", "no secrets inside", .language = "py", .file = "c09_credentials.py" },
    { "C10", "nothing without a key", .way = selftest_request, .status = "401 403",
      .request = "POST /exec HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: @LENGTH@\r\n\r\n"
                 "{\"lang\": \"bash\", \"code\": \"id\"}" },
    { "C11", "wrong keys are counted", .way = selftest_guesses, .flags = SELFTEST_LOOPBACK },
    { "C11", "  and are in no address", .way = selftest_request, .status = "401 403",
      .request = "GET /languages?api_key=@KEY@ HTTP/1.1\r\nHost: x\r\n\r\n" },
    { "C12", "ambiguous lengths are refused", .way = selftest_request, .status = "400 -",
      .request = HEAD("POST", "/exec") "Content-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\n\r\n" },
    { "C12", "  two lengths", .way = selftest_request, .status = "400 -",
      .request = HEAD("POST", "/exec") "Content-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}" },
    { "C12", "  chunks of no length", .way = selftest_request, .status = "400 413 -",
      .request = HEAD("POST", "/exec") "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n" },
    { "C12", "  a header of a megabyte", .way = selftest_request, .status = "400 413 431 -",
      .request = HEAD("GET", "/languages") "X: @aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*32768@\r\n\r\n" },
    { "C12", "  JSON without a floor", .way = selftest_request, .status = "400 413 422",
      .request = EXEC("{\"lang\": \"bash\", \"code\": @[*100000@}") },
    { "C12", "  a NUL in an argument", .way = selftest_request, .status = "400 422",
      .request = EXEC("{\"lang\": \"bash\", \"code\": \"id\", \"args\": [\"a\\u0000b\"]}") },
    { "C12", "  half a character", .way = selftest_request, .status = "400 422",
      .request = EXEC("{\"lang\": \"bash\", \"code\": \"echo \\ud800\"}") },
    { "C12", "  not HTTP at all", .way = selftest_request, .status = "400 -", .request = "\x16\x03\x01\x02@@\x01\r\n\r\n" },
    { "C13", "the audit log is whole", .way = selftest_audit, .flags = SELFTEST_OWN | SELFTEST_ON_HOST },
    { "C14", "limits of keys", .absent = "needs keys with limits: tests/attack/c14_limit_evasion.py" },
    { "C15", "Redis and S3", .absent = "neither is used" },
    { "C16", "errors tell no paths", .way = selftest_request, .status = "404", .never = "/var",
      .request = GET("/download/@x*21@/nothing") },
    { "C17", "addresses in requests", .absent = "no request names an address that the server calls" },
    { "C18", "templates", .absent = "there are none" },
    { "C19", "no chosen verdict", .language = "bash", .code = "exit 137\n", .outcomes = "error", .code_min = 137,
      .flags = SELFTEST_ANSWERS },
    { "C19", "  nor a hidden end", .language = "py", .code = "import os, signal\nprint('tests passed', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n",
      .outcomes = "signal", .code_min = 137, .flags = SELFTEST_ANSWERS },
    { "C20", "packages", .absent = "the server installs none" },

    /* -- the end */
    { "R8", "  nothing is left when the server ends", .way = selftest_remains, .flags = SELFTEST_OWN | SELFTEST_ON_HOST },
    { 0 },
};
/* clang-format on */
