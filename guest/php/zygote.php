<?php
// SPDX-License-Identifier: Apache-2.0
// zygote.php -- prepended to run.php in the PHP that programs' interpreters are copies of (src/wire/zygote.h): serves orders
// for copies, and leaves each as it would be if it had been started for its program. Nothing here is a wall.

(static function (): void {
    $library = FFI::cdef(
        'int zygote_serve_php(int mark); char **zygote_arguments(void);',
        '/opt/codecell/zygote.so'
    );
    $mark = 0x5eed5eed;
    $usual = error_reporting($mark); // by which the library finds where the interpreter keeps its exit status
    if ($library->zygote_serve_php(PHP_VERSION_ID < 80500 ? $mark : 0) !== 0) {
        exit(1);
    }
    error_reporting($usual);
    $found = $library->zygote_arguments();
    for ($command = [], $i = 0; $found[$i] !== null; $i++) {
        $command[] = FFI::string($found[$i]);
    }
    $agent = dirname(__FILE__) . '/run.php';
    $_SERVER['argv'] = array_slice($command, array_search($agent, $command, true));
    $_SERVER['REQUEST_TIME_FLOAT'] = microtime(true);
    $_SERVER['REQUEST_TIME'] = (int) $_SERVER['REQUEST_TIME_FLOAT'];
})();
