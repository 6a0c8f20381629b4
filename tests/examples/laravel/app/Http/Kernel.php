<?php

namespace App\Http;

use Illuminate\Routing\Middleware\ThrottleRequests;

class Kernel extends \Illuminate\Foundation\Http\Kernel
{
    protected $middlewareGroups = ['web' => [], 'api' => ['throttle:api']];

    protected $routeMiddleware = ['auth' => LogIn::class, 'throttle' => ThrottleRequests::class];
}
