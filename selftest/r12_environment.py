# SPDX-License-Identifier: Apache-2.0
HOSTILE = ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GLIBC_TUNABLES", "NODE_OPTIONS", "PYTHONSTARTUP", "PYTHONHOME", "BASH_ENV",
           "ENV", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "IFS", "SHELLOPTS", "R_PROFILE", "GOFLAGS", "EVIL")
for variable in HOSTILE:
    held(variable, variable not in os.environ, "not set")
held("values", not any("evil" in value for value in os.environ.values()), "not set")
held("how many", len(os.environ) < 40, "%d variables" % len(os.environ))
end()
