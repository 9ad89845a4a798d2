/* SPDX-License-Identifier: Apache-2.0 */
#include "main/bench/bench_program.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define IMPORTS                                                                                                        \
    "import importlib\n"                                                                                               \
    "for name in ('numpy', 'pandas', 'matplotlib', 'matplotlib.pyplot', 'scipy', 'sklearn', 'cv2', 'PIL.Image',\n"     \
    "             'sympy', 'networkx', 'statsmodels', 'statsmodels.api', 'json', 'os', 'sys', 're', 'math',\n"         \
    "             'datetime', 'collections', 'itertools', 'functools', 'pathlib'):\n"                                  \
    "    try:\n"                                                                                                       \
    "        importlib.import_module(name)\n"                                                                          \
    "    except ImportError:\n"                                                                                        \
    "        pass\n"                                                                                                   \
    "print(1)\n"

const struct bench_program bench_program_print = {
    .language = "py",
    .source = "print(1)\n",
    .comment = "#",
    .expected = "1\n",
};

const struct bench_program bench_program_dataframe = {
    .language = "py",
    .source = "import numpy as np\n"
              "import pandas as pd\n"
              "df = pd.DataFrame(np.arange(12).reshape(3, 4), columns=list('abcd'))\n"
              "print(df.sum())\n",
    .comment = "#",
    .expected = "a    12\nb    15\nc    18\nd    21\ndtype: int64\n",
};

const struct bench_program bench_program_imports = {
    .language = "py",
    .file = "bench_imports.py", /* no name that a library could want to import */
    .source = IMPORTS,
    .comment = "#",
    .expected = "1\n",
    .steps = { { "/usr/bin/python3", "bench_imports.py" } },
};

static const struct bench_program hellos[] = {
    {
        .language = "bash",
        .file = "code.sh",
        .source = "echo hello\n",
        .comment = "#",
        .expected = "hello\n",
        .steps = { { "/bin/bash", "code.sh" } },
    },
    {
        .language = "c",
        .file = "code.c",
        .source = "#include <stdio.h>\n\nint main(void)\n{\n    puts(\"hello\");\n    return 0;\n}\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/gcc", "-std=gnu17", "-O2", "-o", "code", "code.c", "-lm", "-pthread" }, { "./code" } },
    },
    {
        .language = "cpp",
        .file = "code.cpp",
        .source = "#include <iostream>\n\nint main()\n{\n    std::cout << \"hello\\n\";\n}\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/g++", "-std=gnu++20", "-O2", "-o", "code", "code.cpp", "-lm", "-pthread" },
                   { "./code" } },
    },
    {
        .language = "d",
        .file = "code.d",
        .source = "import std.stdio;\n\nvoid main()\n{\n    writeln(\"hello\");\n}\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/ldc2", "-of=code", "code.d" }, { "./code" } },
    },
    {
        .language = "f90",
        .file = "code.f90",
        .source = "program main\n  print '(a)', 'hello'\nend program main\n",
        .comment = "!",
        .expected = "hello\n",
        .steps = { { "/usr/bin/gfortran", "-O2", "-o", "code", "code.f90" }, { "./code" } },
    },
    {
        .language = "go",
        .file = "code.go",
        .source = "package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(\"hello\")\n}\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/go", "build", "-o", "code", "code.go" }, { "./code" } },
    },
    {
        .language = "java",
        .file = "Code.java",
        .source = "public class Code {\n    public static void main(String[] args) {\n"
                  "        System.out.println(\"hello\");\n    }\n}\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/javac", "Code.java" }, { "/usr/bin/java", "-cp", ".", "Code" } },
    },
    {
        .language = "js",
        .file = "code.js",
        .source = "console.log('hello');\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/node", "code.js" } },
    },
    {
        .language = "php",
        .file = "code.php",
        .source = "<?php\necho \"hello\\n\";\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/php", "code.php" } },
    },
    {
        .language = "py",
        .file = "code.py",
        .source = "print('hello')\n",
        .comment = "#",
        .expected = "hello\n",
        .steps = { { "/usr/bin/python3", "code.py" } },
    },
    {
        .language = "r",
        .file = "code.r",
        .source = "cat(\"hello\\n\")\n",
        .comment = "#",
        .expected = "hello\n",
        .steps = { { "/usr/bin/Rscript", "code.r" } },
    },
    {
        .language = "rs",
        .file = "code.rs",
        .source = "fn main() {\n    println!(\"hello\");\n}\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/rustc", "--edition=2021", "-Copt-level=1", "-o", "code", "code.rs" }, { "./code" } },
    },
    {
        .language = "ts",
        .file = "code.ts",
        .source = "const word: string = 'hello';\nconsole.log(word);\n",
        .comment = "//",
        .expected = "hello\n",
        .steps = { { "/usr/bin/esbuild", "--log-level=error", "--format=cjs", "--outfile=code.js", "code.ts" },
                   { "/usr/bin/node", "code.js" } },
    },
};

const struct bench_program *bench_program_hello(const char *language)
{
    for (size_t i = 0; i < ARRAY_SIZE(hellos); i++)
        if (strcmp(hellos[i].language, language) == 0)
            return &hellos[i];
    return NULL;
}

void bench_program_code(const struct bench_program *program, long long number,
                        char ret_code[static BENCH_CODE_MAX_SIZE])
{
    if (number < 0)
        snprintf(ret_code, BENCH_CODE_MAX_SIZE, "%s", program->source);
    else
        snprintf(ret_code, BENCH_CODE_MAX_SIZE, "%s%s %lld\n", program->source, program->comment, number);
}
