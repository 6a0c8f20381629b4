<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** What the engine told, handed on as it is: fields of OpenWA's own, in `data`. */
abstract class EngineEvent extends OpenWaEvent
{
    /** @var array<string, mixed> */
    public array $data;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->data = $this->map('data');
    }
}
