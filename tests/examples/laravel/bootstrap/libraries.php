<?php

// What Composer does elsewhere: Debian's packages bring autoloaders of their own, found by the include path.
error_reporting(E_ALL & ~E_DEPRECATED); // PHP 8.2 has complaints about Laravel 8 while it is being loaded
require_once 'Illuminate/autoload.php';
require_once 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $class) {
    foreach (['App\\' => 'app', 'Tests\\' => 'tests', 'OpenWaManager\\Laravel\\' => 'vendor/openwa-manager/laravel/src'] as $prefix => $folder) {
        $file = dirname(__DIR__)."/$folder/".str_replace('\\', '/', substr($class, strlen($prefix))).'.php';
        if (strncmp($class, $prefix, strlen($prefix)) === 0 && is_file($file)) {
            require $file;
        }
    }
});
