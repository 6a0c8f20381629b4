<?php

namespace App\Providers;

use Illuminate\Cache\RateLimiting\Limit;
use Illuminate\Support\Facades\RateLimiter;
use Illuminate\Support\Facades\Route;

/** As a new Laravel 8 has it, but for the limit, which is 1 a minute instead of 60. */
class RouteServiceProvider extends \Illuminate\Foundation\Support\Providers\RouteServiceProvider
{
    public function boot(): void
    {
        RateLimiter::for('api', fn ($request) => Limit::perMinute(1)->by($request->ip()));
        $this->routes(function () {
            foreach (['web' => '', 'api' => 'api'] as $group => $prefix) {
                if (is_file($file = base_path("routes/$group.php"))) {
                    Route::middleware($group)->prefix($prefix)->group($file);
                }
            }
        });
    }
}
