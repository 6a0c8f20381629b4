<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody asked the manager to try this endpoint. (`endpoint.test`) */
final class EndpointTest extends OpenWaEvent
{
    public ?string $endpointId;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->endpointId = $this->text('endpoint_id');
    }
}
