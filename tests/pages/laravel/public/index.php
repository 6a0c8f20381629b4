<?php

// What Laravel's own skeleton does with routes/api.php, for the routes that pages show: the prefix /api, and so many calls
// a minute: 60 there, 6 here, so that it is soon seen whether a route is free of it.
error_reporting(E_ALL & ~E_DEPRECATED); // PHP 8.2 has complaints about Laravel 8 while it is being loaded
require_once 'Illuminate/autoload.php';
require_once 'GuzzleHttp/autoload.php';

class Kernel extends Illuminate\Foundation\Http\Kernel
{
    protected $middlewareGroups = ['api' => ['throttle:api']];

    protected $routeMiddleware = ['auth' => LogIn::class, 'throttle' => Illuminate\Routing\Middleware\ThrottleRequests::class];
}

class LogIn
{
    public function handle($request, $next)
    {
        abort_if($request->header('X-Test-User') === null, 401);

        return $next($request);
    }
}

class Routes extends Illuminate\Foundation\Support\Providers\RouteServiceProvider
{
    public function boot()
    {
        Illuminate\Support\Facades\RateLimiter::for('api', fn ($request) => Illuminate\Cache\RateLimiting\Limit::perMinute(6)
            ->by($request->ip()));
        $this->routes(fn () => Illuminate\Support\Facades\Route::prefix('api')->middleware('api')
            ->group(base_path('routes/api.php')));
    }
}

$app = new Illuminate\Foundation\Application(dirname(__DIR__));
$app->singleton(Illuminate\Contracts\Http\Kernel::class, Kernel::class);
$app->singleton(Illuminate\Contracts\Debug\ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);
$kernel = $app->make(Illuminate\Contracts\Http\Kernel::class);
$response = $kernel->handle($request = Illuminate\Http\Request::capture())->send();
$kernel->terminate($request, $response);
