<?php

namespace App\Providers;

use App\Console\Commands\ReconcileCampaign;
use App\Console\Commands\TestSession;
use App\Jobs\CheckSessionHealthJob;
use App\Services\CampaignScheduler;
use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Support\ServiceProvider;

/** Everything there is to register; name it in config/app.php (Laravel ≤ 10) or bootstrap/providers.php (≥ 11). */
class OpenWaServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        $this->loadRoutesFrom(base_path('routes/openwa.php'));
        $this->callAfterResolving(Schedule::class, function (Schedule $schedule) {
            // A lock of ten minutes: a check that is killed while it holds it must not stop the others for a day.
            $schedule->job(new CheckSessionHealthJob)->everyMinute()->withoutOverlapping(10);
            $schedule->call(fn (CampaignScheduler $campaigns) => $campaigns->run())->everyMinute();
        });
        $this->commands([ReconcileCampaign::class, TestSession::class]);
    }
}
