<?php
// SPDX-License-Identifier: Apache-2.0
// warm.php -- prepended to run.php in a PHP that is started before its program is known (src/cell/runtime.h): waits for
// it, and leaves the interpreter as it would be if it had been started for that program. Nothing here is a wall.

(static function (): void {
    $library = FFI::cdef(
        'int zygote_await_started(int socket); char **zygote_arguments(void);',
        '/opt/codecell/zygote.so'
    );
    $library->zygote_await_started(200); // src/cell/runtime.h
    $found = $library->zygote_arguments();
    for ($command = [], $i = 0; $found[$i] !== null; $i++) {
        $command[] = FFI::string($found[$i]);
    }
    $agent = dirname(__FILE__) . '/run.php';
    $_SERVER['argv'] = array_slice($command, array_search($agent, $command, true));
    $_SERVER['REQUEST_TIME_FLOAT'] = microtime(true);
    $_SERVER['REQUEST_TIME'] = (int) $_SERVER['REQUEST_TIME_FLOAT'];
})();
