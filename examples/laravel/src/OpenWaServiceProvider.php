<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel;

use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Contracts\Container\Container;
use Illuminate\Notifications\ChannelManager;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\ServiceProvider;
use OpenWaManager\Laravel\Client\DebugTransport;
use OpenWaManager\Laravel\Client\HttpTransport;
use OpenWaManager\Laravel\Client\Transport;
use OpenWaManager\Laravel\Commands\ManageSessions;
use OpenWaManager\Laravel\Commands\ReconcileCampaign;
use OpenWaManager\Laravel\Commands\TestApp;
use OpenWaManager\Laravel\Commands\TestSession;
use OpenWaManager\Laravel\Jobs\CheckSessionHealthJob;
use OpenWaManager\Laravel\Notifications\OpenWaChannel;
use OpenWaManager\Laravel\Services\CampaignScheduler;
use Psr\Log\LoggerInterface;

/** Everything there is to register; Laravel finds it by composer.json. */
final class OpenWaServiceProvider extends ServiceProvider
{
    private const ROOT = __DIR__.'/..';

    public function register(): void
    {
        $this->mergeConfigFrom(self::ROOT.'/config/openwa.php', 'openwa');
        $this->app->bind(Transport::class, fn (Container $app) => $this->transport($app));
        $this->callAfterResolving(ChannelManager::class, function (ChannelManager $channels, Container $app) {
            $channels->extend('openwa', fn () => $app->make(OpenWaChannel::class));
        });
    }

    public function boot(): void
    {
        $this->loadRoutesFrom(self::ROOT.'/routes/openwa.php');
        $this->loadMigrationsFrom(self::ROOT.'/database/migrations');
        $this->publishes([self::ROOT.'/config/openwa.php' => $this->app->configPath('openwa.php')], 'openwa-config');
        $this->publishes([self::ROOT.'/database/migrations' => $this->app->databasePath('migrations')], 'openwa-migrations');
        $this->publishes([self::ROOT.'/bin/manage-openwa.php' => $this->app->basePath('bin/manage-openwa.php')], 'openwa-bin');
        $this->callAfterResolving(Schedule::class, function (Schedule $schedule) {
            // A lock of ten minutes: a check that is killed while it holds it must not stop the others for a day.
            $schedule->job(new CheckSessionHealthJob)->everyMinute()->withoutOverlapping(10);
            $schedule->call(fn (CampaignScheduler $campaigns) => $campaigns->run())->everyMinute();
        });
        $this->commands([ManageSessions::class, ReconcileCampaign::class, TestApp::class, TestSession::class]);
    }

    private function transport(Container $app): Transport
    {
        $config = (array) $app->make('config')->get('openwa');
        // By the facade, so that an app's Http::fake() holds here too.
        $real = new HttpTransport(Http::getFacadeRoot(), (string) $config['base_url'], $config['api_key']);
        $isDebugging = ! empty($config['debug_to']) && ! $this->app->environment('production');

        return $isDebugging ? new DebugTransport($real, (string) $config['debug_to'], $app->make(LoggerInterface::class)) : $real;
    }
}
