<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

use Carbon\CarbonImmutable;
use Throwable;

/**
 * One event of the manager. Listen to the class of a type: `Event::listen(SessionConnected::class, …)`.
 *
 * A field of the wrong type, which the manager never sends, is null. `payload` is all that was posted.
 */
abstract class OpenWaEvent implements AnyOpenWaEvent
{
    public string $id;

    public string $type;

    public ?string $sessionId;

    public ?string $userId;

    public ?int $seq;

    public ?int $launch;

    public ?string $host;

    public ?CarbonImmutable $at;

    /** @param  array<string, mixed>  $payload */
    public function __construct(public array $payload)
    {
        $this->id = $this->text('id') ?? '';
        $this->type = $this->text('type') ?? '';
        $this->sessionId = $this->text('session_id');
        $this->userId = $this->text('user_id');
        $this->seq = $this->number('seq');
        $this->launch = $this->number('launch');
        $this->host = $this->text('host');
        $this->at = $this->time('timestamp');
    }

    protected function text(string $name): ?string
    {
        return is_string($this->payload[$name] ?? null) ? $this->payload[$name] : null;
    }

    protected function number(string $name): ?int
    {
        return is_int($this->payload[$name] ?? null) ? $this->payload[$name] : null;
    }

    protected function real(string $name): ?float
    {
        $given = $this->payload[$name] ?? null;

        return is_int($given) || is_float($given) ? (float) $given : null;
    }

    protected function flag(string $name): ?bool
    {
        return is_bool($this->payload[$name] ?? null) ? $this->payload[$name] : null;
    }

    /** @return array<array-key, mixed> */
    protected function map(string $name): array
    {
        return is_array($this->payload[$name] ?? null) ? $this->payload[$name] : [];
    }

    protected function time(string $name): ?CarbonImmutable
    {
        try {
            return $this->text($name) === null ? null : CarbonImmutable::parse($this->text($name));
        } catch (Throwable) {
            return null;
        }
    }
}
