<?php
// SPDX-License-Identifier: Apache-2.0
// run.php SOURCE [ARGS...] -- runs one PHP program inside a cell as if it were the file /mnt/data/code.php, which does
// not exist: for one opening, that name stands for the source, so that __FILE__, __DIR__ and messages are those of a
// script in the workspace. PHP itself opens it, as the file to append (languages/php.json): what this one would require
// would have it in every stack trace. The program is untrusted, and so is this process: nothing here is a wall.

final class CodecellSource
{
    public const PROGRAM = '/mnt/data/code.php';
    public static string $path;
    public $context;
    private $file;

    public function stream_open(string $path, string $mode, int $options, ?string &$opened): bool
    {
        stream_wrapper_restore('file');
        $opened = self::PROGRAM;
        $this->file = fopen(self::$path, 'rb');
        return $this->file !== false;
    }

    public function stream_read(int $count): string
    {
        return (string) fread($this->file, $count);
    }

    public function stream_eof(): bool
    {
        return feof($this->file);
    }

    public function stream_stat(): array
    {
        return fstat($this->file);
    }

    public function stream_set_option(int $option, int $first, int $second): bool
    {
        return false;
    }

    public function stream_close(): void
    {
        fclose($this->file);
    }

    /** Makes the next opening of PROGRAM give the source named on the command line, and removes our own argument. */
    public static function prepare(): void
    {
        self::$path = $_SERVER['argv'][1];
        $arguments = array_merge([self::PROGRAM], array_slice($_SERVER['argv'], 2));
        $GLOBALS['argv'] = $_SERVER['argv'] = $arguments;
        $GLOBALS['argc'] = $_SERVER['argc'] = count($arguments);
        foreach (['SCRIPT_NAME', 'SCRIPT_FILENAME', 'PATH_TRANSLATED', 'PHP_SELF'] as $name) {
            $_SERVER[$name] = self::PROGRAM;
        }
        stream_wrapper_unregister('file');
        stream_wrapper_register('file', self::class);
    }
}

CodecellSource::prepare();
