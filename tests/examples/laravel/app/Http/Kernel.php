<?php

namespace App\Http;

class Kernel extends \Illuminate\Foundation\Http\Kernel
{
    protected $middlewareGroups = ['web' => []];

    protected $routeMiddleware = ['auth' => LogIn::class];
}
