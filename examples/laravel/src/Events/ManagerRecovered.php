<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The manager's database is a restored one: what came after it is lost. (`manager.recovered`) */
final class ManagerRecovered extends OpenWaEvent
{
    public ?string $restoredFrom;

    public ?string $lostSince;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->restoredFrom = $this->text('restored_from');
        $this->lostSince = $this->text('lost_since');
    }
}
