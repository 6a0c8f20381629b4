<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Client;

/** One call of the manager's API. */
final class Call
{
    /**
     * `isRepeatable`: made a second time it does nothing twice. `accepted`: statuses that are answers too, beside 2xx.
     *
     * @param  array<string, mixed>|null  $body
     * @param  int[]  $accepted
     */
    public function __construct(
        public string $method,
        public string $path,
        public ?array $body = null,
        public int $timeoutS = 15,
        public array $accepted = [],
        public bool $isRepeatable = true,
        public ?string $key = null,
    ) {
    }
}
