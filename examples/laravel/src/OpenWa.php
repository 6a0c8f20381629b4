<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel;

use Illuminate\Contracts\Container\Container;
use Illuminate\Support\Traits\Macroable;
use InvalidArgumentException;
use OpenWaManager\Laravel\Services\MessageFates;
use OpenWaManager\Laravel\Services\OpenWaService;

/** What the facade stands for. */
class OpenWa
{
    use Macroable;

    public function __construct(protected Container $app)
    {
    }

    /** A session to send with; without an id that of `OPENWA_SESSION`. */
    public function session(?string $id = null): Session
    {
        $id ??= $this->app->make('config')->get('openwa.session');
        if ($id === null || $id === '') {
            throw new InvalidArgumentException('Which session? Give its id, or set OPENWA_SESSION.');
        }

        return new Session($id, $this->app->make(OpenWaService::class), $this->app->make(MessageFates::class));
    }

    /** Everything else: sessions, codes, queues, quotas, and messages with the answer awaited. */
    public function service(): OpenWaService
    {
        return $this->app->make(OpenWaService::class);
    }
}
