# SPDX-License-Identifier: Apache-2.0
HOSTILE = ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GLIBC_TUNABLES", "NODE_OPTIONS", "PYTHONSTARTUP", "PYTHONHOME", "BASH_ENV",
           "ENV", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "IFS", "SHELLOPTS", "R_PROFILE", "GOFLAGS", "EVIL")
for variable in HOSTILE:
    held(variable, variable not in os.environ, "not set")
held("values", not any("evil" in value for value in os.environ.values()), "not set")
KNOWN = ("HOME TMPDIR PATH LC_ALL LANG USER LOGNAME SHELL PWD OLDPWD SHLVL _ TERM TZ XDG_CACHE_HOME MPLBACKEND MPLCONFIGDIR HOSTNAME MAKEFLAGS"
         " LC_CTYPE PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHASHSEED PYTHONIOENCODING PYTHONUTF8 OPENBLAS_NUM_THREADS"
         " OMP_NUM_THREADS MKL_NUM_THREADS NUMEXPR_NUM_THREADS").split()
more = set(os.environ) - set(KNOWN)
held("no others", not more, "no others" if not more else " ".join(sorted(more)))
held("how many", len(os.environ) < 40, "%d variables" % len(os.environ))
end()
