<?php

// What Composer does elsewhere: Debian's packages bring autoloaders of their own, found by the include path.
error_reporting(E_ALL & ~E_DEPRECATED); // PHP 8.2 has complaints about Laravel 8 while it is being loaded
require_once 'Illuminate/autoload.php';
require_once 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $class) {
    $file = dirname(__DIR__).'/app/'.str_replace('\\', '/', substr($class, strlen('App\\'))).'.php';
    if (strncmp($class, 'App\\', 4) === 0 && is_file($file)) {
        require $file;
    }
});
